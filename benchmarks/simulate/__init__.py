"""The simulation of a day through the API, with crashes, judged by the answers that the clients got."""
