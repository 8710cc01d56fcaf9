"""Serving: models on platforms, deployments of replicas, alone and in pairs, and what is recommended of them."""
