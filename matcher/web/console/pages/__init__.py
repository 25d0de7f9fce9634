"""The pages of the console, one module or package each."""
