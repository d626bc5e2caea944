//! Names found inside images become open files, through a gate.
