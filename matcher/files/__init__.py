"""Files of people: rosters, customers and outcomes, read into requests and written from answers; no I/O."""
