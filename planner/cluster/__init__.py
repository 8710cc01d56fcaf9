"""The machine room: platforms as columns; networks, hosts, racks and the bill of materials, in closed form and exactly."""
