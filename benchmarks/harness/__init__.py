"""Measures the service against its peers and its limits, and writes down what came out."""
