//! The codes of opening and creating files.

imgprep_map::code_table! {
    IN_PLACE_IN_USE = refused("in-place.in-use", "another program has the file open");
    IN_PLACE_NOT_REGULAR = refused("in-place.not-regular", "only regular files are changed in place");
    IN_PLACE_PUNCH = io("in-place.punch", "a hole could not be punched");
    IN_PLACE_READ = io("in-place.read", "the file could not be read");
    IN_PLACE_REPLACED = refused("in-place.replaced", "the file was replaced while it was opened");
    IN_PLACE_UNKNOWN_USE = refused("in-place.unknown-use", "the file system does not report whether another program has the file open");
    IO_OPEN_DIRECTORY = io("io.open.directory", "the file is a directory");
    IO_OPEN_FAILED = io("io.open.failed", "the file could not be opened");
    IO_OPEN_LINK = io("io.open.link", "the file is reached over a symbolic link that was not there before");
    IO_OPEN_NOT_FOUND = io("io.open.not-found", "the file does not exist");
    IO_OPEN_PERMISSION = io("io.open.permission", "permission to open the file was denied");
    IO_OPEN_REPLACED = io("io.open.replaced", "the file was replaced while it was opened");
    IO_OPEN_SPECIAL = io("io.open.special", "the file is not one that can be read at any offset");
    IO_OUTPUT_BUSY = refused("io.output.busy", "the output device is mounted or in use");
    IO_OUTPUT_EXISTS = refused("io.output.exists", "the output exists already");
    IO_OUTPUT_FAILED = io("io.output.failed", "the output could not be created or completed");
    IO_OUTPUT_SPECIAL = refused("io.output.special", "the output is not a regular file or a block device");
    IO_STDIN_LONG = io("io.stdin.long", "standard input is longer than the declared size");
    IO_STDIN_SHORT = io("io.stdin.short", "standard input ended before the declared size");
}
