//! ZVHD and ZVHD2.
