//! The codes of the contents of disks.

imgprep_map::code_table! {
    ALSO = finding("disk.also", "structure/note", "a disk with a partition table also begins like a bare volume");
    GPT_BACKUP_ONLY = finding("disk.gpt-backup-only", "structure/note", "the primary GPT is missing; its copy at the end is used");
    GPT_ENTRIES = finding("disk.gpt-entries", "structure/note", "the entries of the GPT are invalid");
    GPT_HEADER = finding("disk.gpt-header", "structure/note", "the checksum of the GPT header is wrong");
    GPT_NO_COPY = finding("disk.gpt-no-copy", "structure/note", "the GPT has no copy at the end of the disk");
    GPT_NOT_AT_END = finding("disk.gpt-not-at-end", "structure/note", "the copy of the GPT ends before the disk: the disk was enlarged");
    GPT_PAST_END = finding("disk.gpt-past-end", "structure/cut", "the copy of the GPT lies past the end of the disk");
    GPT_UNPROTECTED = finding("disk.gpt-unprotected", "structure/note", "a GPT follows an MBR that does not protect it");
    HYBRID_MBR = finding("disk.hybrid-mbr", "structure/note", "the MBR in front of the GPT has partitions of its own");
    PARTITION_PAST_END = finding("disk.partition-past-end", "structure/cut", "a partition reaches past the end of the disk");
}
