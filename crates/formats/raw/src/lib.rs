//! RAW disks.
