//! The list of formats: probe and parse.
