//! The small languages that fields are written in.
//!
//! Each is parsed once, at the edge, into a type that can hold nothing else; whoever has the type need not look again.
//! Nothing here knows another room of the crate, does I/O or reads a clock. A parse error's text is one clause (what is
//! wrong, the value, what to write instead), so that it can stand behind a field's path; it never holds a secret.

mod boolean;
mod ca_bundle;
mod constraint;
mod docker_config;
mod host;
mod image_tag;
mod interval;
mod module_name;
mod nearest;
mod quoted;
mod repository;
mod time_of_day;
mod version;
mod windows;

pub use boolean::{BOOLEAN_WORDS, ParseBoolError, parse_bool};
pub use ca_bundle::{CaBundle, CaCertificate, ParseCaBundleError, PemFault};
pub use constraint::{Constraint, ParseConstraintError, Requirement};
pub use docker_config::{Credentials, DockerConfig, ParseDockerConfigError};
pub use image_tag::{ImageTag, ParseImageTagError};
pub use interval::{Interval, ParseIntervalError};
pub use module_name::{MAX_LABEL_LENGTH, ModuleName, ParseModuleNameError, fits_label_value};
pub use nearest::nearest;
pub use quoted::{Quoted, quoted};
pub use repository::{ParseRepositoryError, Repository};
pub use time_of_day::{Day, ParseDayError, ParseTimeOfDayError, TimeOfDay};
pub use version::{ParseVersionError, Version};
pub use windows::{EmptyWindowError, Overlap, Window, Windows};
