//! Tells the linker how an addon is linked.

fn main() {
    napi_build::setup();
    // Node unloads an addon with the last worker that used it, but a name resolution that was given
    // up cannot be ended: its thread may still be in here.
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
