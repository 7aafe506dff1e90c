"""The whole system in one process and one thread: clients and service over a simulated network and clock."""
