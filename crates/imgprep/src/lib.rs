//! The library's face: inspect, map, convert, bitmap.
