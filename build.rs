//! Builds the web phone (feature `phone`) and hands it to the hub as `$OUT_DIR/phone_assets.rs`.
//!
//! Bundled in place (`web/dist`, ignored by git) and copied to `OUT_DIR`, so that what is compiled
//! in does not depend on a folder people may delete. npm's registry is the only network touched.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::SystemTime;

/// What the bundle is made of, relative to `web/`.
const SOURCES: [&str; 7] = [
    "src",
    "public",
    "index.html",
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "bundle.mjs",
];

const NO_NODE: &str = "the web phone needs Node 18+: install it or build with \
     --no-default-features --features media,hub";

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_PHONE").is_none() {
        return ExitCode::SUCCESS;
    }
    match embed() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Cargo prints each such line as an error of its own.
            for line in error.to_string().lines() {
                println!("cargo::error={line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn embed() -> Result<(), Box<dyn Error>> {
    let web = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("web");
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", web.join(source).display());
    }
    let dist = web.join("dist");
    let built = modified(&dist.join("index.html"));
    let changed = newest(&web, &SOURCES)?;
    if built.is_none_or(|built| built < changed) {
        build(&web)?;
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let phone = out.join("phone");
    if phone.exists() {
        fs::remove_dir_all(&phone)?;
    }
    copy(&dist, &phone)?;
    fs::write(out.join("phone_assets.rs"), assets(&phone)?)?;
    Ok(())
}

/// Installs the pinned packages if they are not there, then bundles.
fn build(web: &Path) -> Result<(), Box<dyn Error>> {
    let lock = modified(&web.join("package-lock.json"));
    // npm writes this file last, so its age is the age of a complete install.
    let installed = modified(&web.join("node_modules/.package-lock.json"));
    if installed.is_none() || installed < lock {
        npm(web, &["ci", "--no-audit", "--no-fund"])?;
    }
    npm(web, &["run", "build"])
}

fn npm(web: &Path, arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    let name = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let output = Command::new(name)
        .args(arguments)
        .current_dir(web)
        .output()
        .map_err(|error| format!("{NO_NODE} (npm: {error})"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    Err(format!(
        "`npm {}` failed in web/; {NO_NODE}\n{said}",
        arguments.join(" ")
    )
    .into())
}

/// `ASSETS`: path below `/phone/`, content type, bytes; in order of path, so that a build of the
/// same sources is the same binary.
fn assets(dist: &Path) -> Result<String, Box<dyn Error>> {
    let mut files = Vec::new();
    collect(dist, &mut files)?;
    files.sort();
    let mut code = String::from("pub static ASSETS: &[(&str, &str, &[u8])] = &[\n");
    for file in &files {
        let name = file
            .strip_prefix(dist)?
            .to_string_lossy()
            .replace('\\', "/");
        let path = file.to_string_lossy();
        writeln!(
            code,
            "    ({name:?}, {:?}, include_bytes!({path:?})),",
            content_type(&name)?
        )?;
    }
    code.push_str("];\n");
    Ok(code)
}

/// A type for every kind of file the bundler writes; a new kind must be named here, or a browser
/// that may not guess (`nosniff`) would refuse it.
fn content_type(name: &str) -> Result<&'static str, String> {
    match name.rsplit('.').next() {
        Some("html") => Ok("text/html; charset=utf-8"),
        Some("js") => Ok("text/javascript; charset=utf-8"),
        Some("css") => Ok("text/css; charset=utf-8"),
        Some("svg") => Ok("image/svg+xml"),
        Some("png") => Ok("image/png"),
        Some("webmanifest") => Ok("application/manifest+json"),
        _ => Err(format!("web/dist/{name}: no content type known for it")),
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    let mut files = Vec::new();
    collect(from, &mut files)?;
    for file in files {
        let target = to.join(file.strip_prefix(from)?);
        if let Some(directory) = target.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::copy(&file, &target)?;
    }
    Ok(())
}

fn newest(web: &Path, sources: &[&str]) -> Result<SystemTime, Box<dyn Error>> {
    let mut files = Vec::new();
    for source in sources {
        let path = web.join(source);
        if path.is_dir() {
            collect(&path, &mut files)?;
        } else {
            files.push(path);
        }
    }
    files
        .iter()
        .filter_map(|file| modified(file))
        .max()
        .ok_or_else(|| "web/ has no sources".into())
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|data| data.modified()).ok()
}
