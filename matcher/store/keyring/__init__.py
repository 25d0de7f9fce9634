"""The service's secret keys: the keyring file outside the store, and the store's record of which keys are in use."""
