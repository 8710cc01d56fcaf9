"""Money, power, energy and carbon of a plan, in closed form over candidates (equations 7.1 to 7.3)."""
