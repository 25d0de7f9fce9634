"""Use cases other than routing: agents, pools, sites, reservations, contacts, watches and expiry."""
