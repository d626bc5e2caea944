//! Golden, conformance, differential and command line tests.
