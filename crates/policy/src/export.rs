//! From the cloud to other platforms: one command for each.

use crate::remedy::convert_command;
use crate::remedy_context::RemedyContext;
use crate::{Conversion, Profile, Subject};

/// The command that converts a disk for another platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportCommand {
    /// The platform.
    pub title: String,
    /// The format that it reads.
    pub format: String,
    /// To be pasted into a shell.
    pub command: String,
}

/// The commands for an image in a format of the cloud. Empty if its disk cannot be read completely.
pub(crate) fn commands(profile: &Profile, subject: &Subject) -> Vec<ExportCommand> {
    let is_of_cloud = profile.cloud_formats.iter().any(|format| format == subject.kind.name());
    if !is_of_cloud || subject.conversion != Conversion::Whole || subject.broken.is_some() {
        return Vec::new();
    }
    let context = RemedyContext::of(subject, &profile.forbidden_in_names);
    let size = subject.virtual_size.unwrap_or(0);
    let fitting = profile.export.iter().filter(|platform| platform.disk_max.is_none_or(|max| size <= max.0));
    fitting
        .map(|platform| {
            let target = context.target(&platform.format);
            let convert = convert_command(subject, &context.src(), &target, &platform.format);
            let options = match &*platform.options {
                "" => String::new(),
                options => format!(" -o {options}"),
            };
            let (title, format) = (platform.title.clone(), platform.format.clone());
            ExportCommand { title, format, command: convert + &options }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::tests::{profile, subject};

    use super::*;

    const GIB: u64 = 1 << 30;

    fn exports(subject: &Subject) -> Vec<String> {
        commands(&profile("huawei-ims"), subject).into_iter().map(|export| export.command).collect()
    }

    #[test]
    fn a_disk_of_the_cloud_has_a_command_for_each_platform() {
        let taken = vec!["my-disk.vhdx".into()];
        let disk = Subject { path: "my disk.zvhd2".into(), taken, ..subject("zvhd2") };
        assert_eq!(
            exports(&disk),
            [
                "imgprep convert 'my disk.zvhd2' my-disk.vmdk -O vmdk -o subformat=streamOptimized",
                "imgprep convert 'my disk.zvhd2' my-disk-new.vhdx -O vhdx",
                "imgprep convert 'my disk.zvhd2' my-disk.vhd -O vhd",
                "imgprep convert 'my disk.zvhd2' my-disk.qcow2 -O qcow2",
            ]
        );
        assert_eq!(exports(&subject("qcow2")), [""; 0], "other platforms read it as it is");
    }

    #[test]
    fn no_command_is_shown_that_would_fail() {
        let large = Subject { virtual_size: Some(2040 * GIB + 1), ..subject("zvhd") };
        assert_eq!(exports(&large).iter().filter(|command| command.contains("-O vhd ")).count(), 0);
        assert_eq!(exports(&large).len(), 3, "a VHD has at most 2040 GiB");
        assert_eq!(exports(&Subject { virtual_size: Some(2040 * GIB), ..large.clone() }).len(), 4);
        let broken = Subject { broken: Some("it is corrupt".into()), ..subject("zvhd2") };
        assert_eq!(exports(&broken), [""; 0]);
        let cut = Subject { conversion: Conversion::Salvage, ..subject("zvhd2") };
        assert_eq!(exports(&cut), [""; 0]);
    }
}
