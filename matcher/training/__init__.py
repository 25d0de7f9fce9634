"""Training of a learned scorer: data sets, the linear map, and the calibration of its confidence."""
