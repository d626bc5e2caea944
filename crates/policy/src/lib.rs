//! Rules for disk images: what the import of a cloud accepts, and what deserves a review.
//!
//! Pure: facts in ([`Subject`]), violations out ([`judge`]). A profile is data
//! ([`Profile`]): no code depends on a particular cloud. The table of rules ([`RULES`]) is the source of
//! the program's lists, explanations and documentation.
//!
//! Policy never stops parsing: how the image was opened, how much of it was read and what is
//! printed is decided elsewhere.

mod config;
mod export;
mod fit;
mod input;
mod judge;
mod levels;
mod page;
mod profile;
mod remedy;
mod remedy_context;
mod route;
mod rule;
mod rule_id;
mod shell;
mod size;
mod subject;
mod table;
#[cfg(test)]
mod tests;
mod violation;

pub use config::{CONFIG_NAME, Config};
pub use export::ExportCommand;
pub use fit::RouteFit;
pub use input::{InputError, place_of};
pub use judge::{CheckIntent, Report, judge};
pub use levels::{Level, Levels, LevelsError};
pub use page::page;
pub use profile::{DiskBounds, DiskRole, Profile, Route, built_in};
pub use remedy_context::created_names;
pub use route::{RouteVerdict, Verdict};
pub use rule::{WITHOUT_CODES, rule, rule_of_error, rule_of_finding};
pub use rule_id::RuleId;
pub use shell::quote;
pub use subject::{BitmapFile, Boot, Conversion, Kind, PartitionTable, Sectors, Subject};
pub use table::{RULES, Rule};
pub use violation::{Place, Violation};
