//! `imgprep verify`: compares a file with the receipt of its conversion.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use imgprep::{
    ComparedProperty, Digest, DigestAlgorithm, Expected, FollowPolicy, OnLoss, Property, Verification,
    VerifiedFile, verify_file,
};
use serde_json::{Value as Json, json};

use crate::args::{OutputFormat, VerifyArgs};
use crate::failure::{Failure, file_error, write_report};
use crate::files;
use crate::options::{Run, format_named};
use crate::progress::ProgressDisplay;
use crate::render::json::{self, error_json};
use crate::render::print::{lines, show};

/// Maximum size of a receipt, in bytes.
const LONGEST_RECEIPT: u64 = 64 << 20;

pub(crate) fn run(args: &VerifyArgs) -> Result<ExitCode, Failure> {
    let from = args.format.from.as_deref().map(format_named).transpose()?;
    let receipt = Receipt::read(&args.receipt)?;
    let format = from.map_or(receipt.format.as_str(), |format| format.name);
    let files = files::of_verify(args);
    files.check()?;
    let run = Run::new(&args.run)?;
    let display = ProgressDisplay::new(&args.run, ["verifying", "verifying"]);
    let observe = |progress: &imgprep::Progress| display.observe(progress);
    let settings = run.options(OnLoss::Stop, &observe);
    let follow = args.follow.follow.unwrap_or(FollowPolicy::Beside);
    let file = VerifiedFile { path: &args.file, format, follow };
    let done = verify_file(file, &receipt.expected, &settings);
    display.finish(settings.progress.read());
    let done = done?;
    let json = render_json(args, &done, display.elapsed().as_secs_f64());
    if let Some(path) = &args.run.report {
        files.check()?;
        write_report(path, &json)?;
    }
    let text = match args.run.output {
        OutputFormat::Text if args.run.quiet => String::new(),
        OutputFormat::Text => lines(&render(args, &done)),
        OutputFormat::Json => json::text(&json),
    };
    show(&text, args.run.output == OutputFormat::Json)?;
    Ok(ExitCode::from(u8::from(!done.is_same())))
}

/// The part of a receipt that is compared.
struct Receipt {
    format: String,
    expected: Expected,
}

impl Receipt {
    fn read(path: &Path) -> Result<Self, Failure> {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).map_err(|error| file_error(path, &error))?;
        file.take(LONGEST_RECEIPT).read_to_end(&mut bytes).map_err(|error| file_error(path, &error))?;
        let wrong = |what: &str| Failure::Usage(format!("{}: {what}", path.display()));
        let object: Json = serde_json::from_slice(&bytes)
            .map_err(|error| wrong(&format!("not a receipt: invalid JSON: {error}")))?;
        if object["schema"] != "imgprep/receipt/1" {
            return Err(wrong("not a receipt: its schema is not \"imgprep/receipt/1\""));
        }
        Self::parse(&object).map_err(|name| wrong(&format!("invalid receipt: {name} is missing or invalid")))
    }

    /// Parses a receipt. The error is the name of the first invalid field.
    fn parse(object: &Json) -> Result<Self, &'static str> {
        let output = &object["output"];
        let format = output["format"].as_str().filter(|name| imgprep::by_name(name).is_some());
        let digests = &object["digests"];
        let algorithm = digests["algorithm"].as_str().map(DigestAlgorithm::by_name);
        let algorithm = match algorithm {
            None if digests.is_null() => None,
            Some(Some(algorithm)) => Some(algorithm),
            _ => return Err("algorithm of the digests"),
        };
        let digest = |name: &'static str| match (&digests[name], algorithm) {
            (Json::String(text), Some(algorithm)) => {
                let bytes = parse_hex(text).ok_or(name)?;
                Ok(Some(Digest { algorithm, bytes }))
            }
            (Json::Null, _) => Ok(None),
            _ => Err(name),
        };
        let crc32 = match &object["crc32"] {
            Json::Null => None,
            crc => Some(crc.as_str().and_then(|text| u32::from_str_radix(text, 16).ok()).ok_or("crc32")?),
        };
        let expected = Expected {
            file_len: Some(output["length"].as_u64().ok_or("length of the output")?),
            file: digest("output-file")?,
            disk_size: object["virtual-size"].as_u64().ok_or("virtual-size")?,
            source: digest("source-contents")?,
            output: digest("output-contents")?,
            crc32,
        };
        Ok(Self { format: format.ok_or("format of the output")?.to_string(), expected })
    }
}

/// Parses the hexadecimal digits of a digest.
fn parse_hex(text: &str) -> Option<[u8; 32]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    bytes.filter(|_| rest.is_empty())?.try_into().ok()
}

fn label(property: Property) -> String {
    let name = property.name().replace('-', " ");
    property.algorithm().map_or(name.clone(), |algorithm| format!("{name} {}", algorithm.name()))
}

fn render(args: &VerifyArgs, done: &Verification) -> Vec<String> {
    let line = |compared: &ComparedProperty| {
        let (label, actual, expected) = (label(compared.property), &compared.actual, &compared.expected);
        if compared.is_same() {
            format!("{label}: same, {actual}")
        } else {
            format!("{label}: different, expected {expected}, found {actual}")
        }
    };
    let mut lines: Vec<_> = done.compared.iter().map(line).collect();
    lines.extend(done.unread.as_ref().map(|error| format!("contents: not read: {error}")));
    let what = if done.is_same() { "matches" } else { "differs from" };
    lines.push(format!("{}: {what} the receipt {}", args.file.display(), args.receipt.display()));
    lines
}

fn render_json(args: &VerifyArgs, done: &Verification, seconds: f64) -> Json {
    let compared = |compared: &ComparedProperty| {
        json!({
            "property": compared.property.name(), "algorithm": compared.property.algorithm().map(DigestAlgorithm::name),
            "expected": compared.expected, "actual": compared.actual, "same": compared.is_same(),
        })
    };
    json!({
        "schema": "imgprep/verify/1", "same": done.is_same(), "filename": args.file.display().to_string(),
        "receipt": args.receipt.display().to_string(),
        "compared": done.compared.iter().map(compared).collect::<Vec<_>>(),
        "unread": done.unread.as_ref().map(error_json), "seconds": seconds,
    })
}
