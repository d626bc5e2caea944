//! Conversion of typed arguments to options of the library.

use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use imgprep::{
    Access, BitOrder, BitmapCommand, BitmapMaker, BitmapShape, Disk, Error, Existing, FollowPolicy, Format,
    Interrupt, Limits, Mismatch, OnLoss, OpenOptions, ParseOptions, Progress, RunOptions, SizeChoice,
    SourceOptions, by_name,
};

use crate::args::{BitmapLayoutArgs, BitmapShapeArgs, FollowArgs, Order, ResourceArgs, RunArgs, SourceArgs};
use crate::failure::Failure;
use crate::signals;
use crate::size::Size;

pub(crate) fn open_options(
    source: &SourceArgs,
    follow: &FollowArgs,
    by_default: FollowPolicy,
    on_loss: OnLoss,
) -> Result<OpenOptions, Failure> {
    let from = source.format.from.as_deref().map(format_named).transpose()?;
    let size = match source.size {
        Size::Named(choice) => choice,
        Size::Bytes(_) => SizeChoice::Current,
    };
    // With positioned reads, a failing disk loses only the unreadable bytes, not a whole page.
    let access = if on_loss == OnLoss::Zero { Access::Positioned } else { Access::Mapped };
    Ok(OpenOptions {
        from,
        parse: ParseOptions {
            limits: Limits::default(),
            snapshot: source.snapshot.clone(),
            size,
            salvage: on_loss == OnLoss::Zero,
        },
        follow: follow.follow.unwrap_or(by_default),
        associated_follow: None,
        mismatch: if follow.accept_parent { Mismatch::Accept } else { Mismatch::Refuse },
        source: SourceOptions { access },
        parents: source.parent.clone(),
        namespace: None,
    })
}

/// The format given with `--from`.
pub(crate) fn format_named(name: &str) -> Result<&'static Format, Failure> {
    by_name(name).ok_or_else(|| {
        let known: Vec<_> = imgprep::FORMATS.iter().map(|format| format.name).collect();
        Failure::Usage(format!("--from {name}: unknown format; the formats are {}", known.join(", ")))
    })
}

/// Opens a file, or a RAW disk on standard input.
pub(crate) fn open(path: &Path, source: &SourceArgs, options: &OpenOptions) -> Result<Disk, Failure> {
    let size = source.size.bytes();
    if path != Path::new("-") {
        if size.is_some() {
            return Err(Failure::Usage(
                "--size with a number is valid only for a RAW on standard input".into(),
            ));
        }
        return Ok(Disk::open(path, options)?);
    }
    let (Some("raw"), Some(size)) = (source.format.from.as_deref(), size) else {
        return Err(Failure::Usage(
            "standard input requires --from raw --size N: images of other formats must be files".into(),
        ));
    };
    if io::stdin().is_terminal() {
        return Err(Failure::Usage("standard input is a terminal".into()));
    }
    let folder = std::env::temp_dir();
    let file = imgprep::spool(io::stdin().lock(), size, &folder).map_err(Error::from)?;
    Ok(Disk::from_chain(imgprep::open_source("standard input".into(), file, options)?))
}

pub(crate) fn shape(args: &BitmapLayoutArgs) -> Result<BitmapShape, Failure> {
    let block = args.bitmap_block.map_or(Some(BitmapShape::default().block), Size::bytes);
    let block = block.filter(|block| block.is_power_of_two() && (512..=64 << 20).contains(block));
    let block =
        block.ok_or(Failure::Usage("--bitmap-block must be a power of two from 512 to 64M".into()))?;
    let order = match args.bitmap_order.unwrap_or(Order::Lsb) {
        Order::Lsb => BitOrder::LeastFirst,
        Order::Msb => BitOrder::MostFirst,
    };
    Ok(BitmapShape { block, order })
}

/// The program that makes the bitmap, and the bitmap's layout.
pub(crate) fn bitmap_maker(args: &BitmapShapeArgs) -> Result<BitmapMaker, Failure> {
    Ok(match &args.bitmap_command {
        Some(line) => BitmapMaker::Command(BitmapCommand::parse(line)?),
        None => BitmapMaker::Ours(shape(&args.layout)?),
    })
}

pub(crate) fn existing(force: bool) -> Existing {
    if force { Existing::Replace } else { Existing::Refuse }
}

/// Resources of a run, for the whole command.
pub(crate) struct Run {
    threads: NonZeroUsize,
    memory: u64,
    interrupt: Interrupt,
    progress: Progress,
}

impl Run {
    /// Creates the resources. Signals stop the run from now on.
    pub(crate) fn new(args: &RunArgs) -> Result<Self, Failure> {
        Self::with(&args.resources)
    }

    pub(crate) fn with(args: &ResourceArgs) -> Result<Self, Failure> {
        let memory = args.memory.bytes();
        let memory = memory.ok_or(Failure::Usage("--memory must be a number of bytes".into()))?;
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let interrupt = signals::interrupt()?;
        Ok(Self { threads: args.threads.unwrap_or(cores), memory, interrupt, progress: Progress::default() })
    }

    pub(crate) fn threads(&self) -> NonZeroUsize {
        self.threads
    }

    pub(crate) fn memory(&self) -> u64 {
        self.memory
    }

    /// The flag that stops the run.
    pub(crate) fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    pub(crate) fn options<'a>(&'a self, on_loss: OnLoss, observe: &'a dyn Fn(&Progress)) -> RunOptions<'a> {
        self.options_with(&self.progress, on_loss, observe)
    }

    /// The options for one of several images, which has its own counters.
    pub(crate) fn options_with<'a>(
        &'a self,
        progress: &'a Progress,
        on_loss: OnLoss,
        observe: &'a dyn Fn(&Progress),
    ) -> RunOptions<'a> {
        RunOptions {
            threads: self.threads,
            memory: self.memory,
            on_loss,
            interrupt: &self.interrupt,
            progress,
            observe,
        }
    }
}

/// `NAME.mf` next to `NAME.raw`.
pub(crate) fn bitmap_path(raw: &Path) -> Result<PathBuf, Failure> {
    let path = raw.with_extension("mf");
    if path == raw {
        return Err(Failure::Usage(format!(
            "{}: a RAW cannot have the name of its own bitmap",
            raw.display()
        )));
    }
    Ok(path)
}
