//! The `roompipe` program: arguments in, exit code out. Everything else is the library.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    roompipe::cli::main().into()
}
