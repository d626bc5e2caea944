//! QCOW2, versions 2 and 3.
