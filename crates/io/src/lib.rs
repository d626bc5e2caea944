//! Mapped files, holes, atomic outputs.
