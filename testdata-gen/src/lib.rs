//! Writes test images from recipes, with encoders of its own.
