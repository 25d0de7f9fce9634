"""The description of the API for readers: the protos' comments, and a page made of them."""
