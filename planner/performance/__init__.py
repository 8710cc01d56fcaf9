"""How fast: operations by roofline and measured efficiency, collectives, training steps, serving and its queues."""
