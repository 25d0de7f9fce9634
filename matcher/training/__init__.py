"""Training of a learned scorer: datasets, the linear map, and the calibration of its confidence."""
