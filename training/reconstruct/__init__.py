"""Reconstructions: what the decoder of an image generator leaves, in photographs that are real but for that."""
