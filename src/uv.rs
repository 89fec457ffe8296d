//! libuv's handle that wakes an event loop from other threads. Does not know what for.
//!
//! Node exports libuv. It is looked up at run time, since other runtimes need not.

use std::{
    ffi::{c_int, c_void},
    ptr,
    sync::OnceLock,
};

use libloading::Library;
use napi::{Env, bindgen_prelude::JsObjectValue, sys};

/// `UV_ASYNC` of `uv_handle_type`.
const ASYNC: c_int = 1;

/// A handle of libuv, whatever its kind.
type Handle = *mut c_void;

/// What is used of libuv.
struct Uv {
    event_loop_of: unsafe extern "C" fn(sys::napi_env, *mut *mut c_void) -> sys::napi_status,
    handle_size: unsafe extern "C" fn(c_int) -> usize,
    get_data: unsafe extern "C" fn(Handle) -> *mut c_void,
    set_data: unsafe extern "C" fn(Handle, *mut c_void),
    async_init: unsafe extern "C" fn(*mut c_void, Handle, unsafe extern "C" fn(Handle)) -> c_int,
    async_send: unsafe extern "C" fn(Handle) -> c_int,
    hold: unsafe extern "C" fn(Handle),
    let_go: unsafe extern "C" fn(Handle),
    close: unsafe extern "C" fn(Handle, unsafe extern "C" fn(Handle)),
}

impl Uv {
    /// That of the process, if it exports all of it.
    fn get() -> Option<&'static Self> {
        static UV: OnceLock<Option<Uv>> = OnceLock::new();
        UV.get_or_init(Self::load).as_ref()
    }

    fn load() -> Option<Self> {
        #[cfg(unix)]
        let program: Library = libloading::os::unix::Library::this().into();
        #[cfg(windows)]
        let program: Library = libloading::os::windows::Library::this().ok()?.into();
        // SAFETY: these are the signatures that libuv 1 and Node-API keep for ever, and a program is not
        // unloaded while it runs.
        unsafe {
            Some(Self {
                event_loop_of: *program.get(b"napi_get_uv_event_loop\0").ok()?,
                handle_size: *program.get(b"uv_handle_size\0").ok()?,
                get_data: *program.get(b"uv_handle_get_data\0").ok()?,
                set_data: *program.get(b"uv_handle_set_data\0").ok()?,
                async_init: *program.get(b"uv_async_init\0").ok()?,
                async_send: *program.get(b"uv_async_send\0").ok()?,
                hold: *program.get(b"uv_ref\0").ok()?,
                let_go: *program.get(b"uv_unref\0").ok()?,
                close: *program.get(b"uv_close\0").ok()?,
            })
        }
    }
}

/// Has an event loop call a function. Lives until the environment goes.
#[derive(Clone, Copy)]
pub(crate) struct AsyncHandle {
    uv: &'static Uv,
    handle: Handle,
}

// SAFETY: other threads only use `send`, which is for any thread; whoever keeps the handle lets go of it
// when `ended` is called, before its memory goes.
unsafe impl Send for AsyncHandle {}
// SAFETY: as above.
unsafe impl Sync for AsyncHandle {}

/// The data of the handle.
struct Owner {
    uv: &'static Uv,
    env: Env,
    context: sys::napi_async_context,
    /// The handle itself.
    memory: Box<[u128]>,
    woken: fn(Env),
    ended: Option<Box<dyn FnOnce()>>,
    cleanup: sys::napi_async_cleanup_hook_handle,
}

impl AsyncHandle {
    /// Calls `woken` on the calling thread's event loop, once for all that was sent since; what it leaves
    /// pending is an uncaught exception. `None` where there is no libuv.
    ///
    /// Calls `ended` as the environment goes: when it returns, nobody may use the handle any more. The
    /// event loop may end, until [`hold`](Self::hold).
    pub(crate) fn new(env: Env, woken: fn(Env), ended: Box<dyn FnOnce()>) -> Option<Self> {
        if !is_node(env) {
            return None;
        }
        let uv = Uv::get()?;
        let (mut event_loop, mut name) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the environment is the calling thread's and all pointers are to live variables; `owner`
        // is given to the handle and freed when that has been closed.
        unsafe {
            if (uv.event_loop_of)(env.raw(), &mut event_loop) != sys::Status::napi_ok {
                return None;
            }
            let mut owner = Box::new(Owner {
                uv,
                env,
                context: ptr::null_mut(),
                memory: vec![0; (uv.handle_size)(ASYNC).div_ceil(size_of::<u128>())].into(),
                woken,
                ended: Some(ended),
                cleanup: ptr::null_mut(),
            });
            sys::napi_create_string_utf8(env.raw(), c"s9Wake".as_ptr(), 6, &mut name);
            sys::napi_async_init(env.raw(), ptr::null_mut(), name, &mut owner.context);
            let handle: Handle = owner.memory.as_mut_ptr().cast();
            if (uv.async_init)(event_loop, handle, on_sent) != 0 {
                sys::napi_async_destroy(env.raw(), owner.context);
                return None;
            }
            let owner = Box::into_raw(owner);
            (uv.set_data)(handle, owner.cast());
            (uv.let_go)(handle);
            let hook = &raw mut (*owner).cleanup;
            sys::napi_add_async_cleanup_hook(env.raw(), Some(on_end), owner.cast(), hook);
            Some(Self { uv, handle })
        }
    }

    /// Wakes the event loop. On any thread; takes no lock that the event loop would wait for.
    pub(crate) fn send(self) {
        // SAFETY: the handle is open: see `new`.
        unsafe { (self.uv.async_send)(self.handle) };
    }

    /// Keeps the event loop alive. On its own thread only.
    pub(crate) fn hold(self) {
        // SAFETY: as in `send`.
        unsafe { (self.uv.hold)(self.handle) };
    }

    /// Lets the event loop end. On its own thread only.
    pub(crate) fn let_go(self) {
        // SAFETY: as in `send`.
        unsafe { (self.uv.let_go)(self.handle) };
    }
}

/// Bun and Deno have functions of libuv's names too, that panic or are an imitation.
fn is_node(env: Env) -> bool {
    let Ok(global) = env.get_global() else { return false };
    !["Bun", "Deno"].iter().any(|name| global.has_own_property(name).unwrap_or(true))
}

/// Called by the event loop.
unsafe extern "C" fn on_sent(handle: Handle) {
    // SAFETY: only called while the handle is open, hence after `Uv::get` has found it, and its data is the
    // owner that `new` made. Scopes are closed in turn; a failed call leaves null, which is checked.
    unsafe {
        let Some(uv) = Uv::get() else { return };
        let owner = (uv.get_data)(handle).cast::<Owner>();
        let (env, context, woken) = ((*owner).env, (*owner).context, (*owner).woken);
        let (mut handles, mut callback) = (ptr::null_mut(), ptr::null_mut());
        if sys::napi_open_handle_scope(env.raw(), &mut handles) != sys::Status::napi_ok {
            return;
        }
        // Its end runs what promises and process.nextTick() have queued.
        sys::napi_open_callback_scope(env.raw(), ptr::null_mut(), context, &mut callback);
        if !callback.is_null() {
            woken(env);
            throw_pending(env);
            sys::napi_close_callback_scope(env.raw(), callback);
        }
        sys::napi_close_handle_scope(env.raw(), handles);
    }
}

/// Makes an uncaught exception of what is pending.
///
/// # Safety
/// To be called on the environment's thread, in a handle scope.
unsafe fn throw_pending(env: Env) {
    let (mut is_pending, mut exception) = (false, ptr::null_mut());
    // SAFETY: all pointers are to live variables; the exception is only used if there is one.
    unsafe {
        sys::napi_is_exception_pending(env.raw(), &mut is_pending);
        if is_pending
            && sys::napi_get_and_clear_last_exception(env.raw(), &mut exception) == sys::Status::napi_ok
        {
            sys::napi_fatal_exception(env.raw(), exception);
        }
    }
}

/// Called as the environment goes, which waits until the handle is closed.
unsafe extern "C" fn on_end(_: sys::napi_async_cleanup_hook_handle, owner: *mut c_void) {
    let owner = owner.cast::<Owner>();
    // SAFETY: `owner` is what `new` gave to this one hook; the handle is open until here.
    unsafe {
        if let Some(ended) = (*owner).ended.take() {
            ended();
        }
        sys::napi_async_destroy((*owner).env.raw(), (*owner).context);
        ((*owner).uv.close)((*owner).memory.as_mut_ptr().cast(), on_closed);
    }
}

/// Called by the event loop when nothing uses the handle any more.
unsafe extern "C" fn on_closed(handle: Handle) {
    // SAFETY: the data is the owner that `new` made, and this is its only release.
    unsafe {
        let Some(uv) = Uv::get() else { return };
        let owner = Box::from_raw((uv.get_data)(handle).cast::<Owner>());
        sys::napi_remove_async_cleanup_hook(owner.cleanup);
    }
}
