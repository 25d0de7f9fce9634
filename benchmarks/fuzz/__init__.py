"""Fuzz: random, mutated and grammar-made requests, files and records, of which none may end in a fault."""
