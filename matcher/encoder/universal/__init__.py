"""universal-sentence-encoder-multilingual: its tokens, its graph compiled by OpenVINO, and numpy where that fails."""
