//! Whether an image that is still to be made meets the size limits of the import routes.

use crate::Profile;

/// The size limits of one route, applied to an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteFit {
    /// As in `--route`.
    pub id: String,
    /// The name in texts.
    pub title: String,
    /// Whether the route accepts the format.
    pub takes_format: bool,
    /// Maximum length of the file, in bytes.
    pub file_max: u64,
    /// Maximum virtual size, in bytes.
    pub disk_max: u64,
    /// Whether the image meets both limits and has an accepted format.
    pub fits: bool,
}

impl Profile {
    /// Applies the size limits of every route to an image of a format, with a length and a virtual size in bytes.
    pub fn fits(&self, format: &str, file_len: u64, virtual_size: u64) -> Vec<RouteFit> {
        let largest = self.system.max.0.max(self.data.max.0);
        self.routes()
            .iter()
            .map(|route| {
                let takes_format = route.formats.iter().any(|taken| taken == format);
                let file_max = route.file_max.0;
                let disk_max = route.disk_max.map_or(largest, |max| max.0.min(largest));
                RouteFit {
                    id: route.id.clone(),
                    title: route.title.clone(),
                    takes_format,
                    file_max,
                    disk_max,
                    fits: takes_format && file_len <= file_max && virtual_size <= disk_max,
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_inclusive_and_depend_on_the_format() {
        const GIB: u64 = 1 << 30;
        let profile = Profile::built_in("flexible-engine").unwrap().unwrap();
        let fits = |format, len, size| -> Vec<_> {
            profile.fits(format, len, size).into_iter().filter(|it| it.fits).map(|it| it.id).collect()
        };
        assert_eq!(fits("zvhd2", 128 * GIB, 1024 * GIB), ["import", "fast-zvhd2"]);
        assert_eq!(fits("zvhd2", 128 * GIB + 1, 1024 * GIB), ["fast-zvhd2"]);
        assert_eq!(fits("zvhd2", 1, 1024 * GIB + 1), ["import"]);
        assert_eq!(fits("raw", 1024 * GIB, 1024 * GIB), ["fast-raw"]);
        assert_eq!(fits("vdi", GIB, 2048 * GIB), ["import"]);
        assert_eq!(fits("vdi", GIB, 2048 * GIB + 1), [""; 0]);
    }
}
