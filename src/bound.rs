//! JavaScript functions bound to a value of Rust, for what is called at each message: a class method finds
//! out at each call what its `this` and its arguments are wrapped around, and allocates. Knows no client.

use std::{
    ffi::{CStr, c_void},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr, slice,
};

use napi::{
    Env, JsError, Status,
    bindgen_prelude::{FromNapiValue, Function, panic_to_error},
    check_status, sys,
};

use crate::error::{Code, Result, napi_failure};

/// A call of a bound function.
pub(crate) struct Call<const N: usize> {
    env: Env,
    arguments: [sys::napi_value; N],
}

impl<const N: usize> Call<N> {
    pub(crate) fn env(&self) -> Env {
        self.env
    }

    /// An argument as it is; `undefined` if it was left out.
    pub(crate) fn value(&self, index: usize) -> sys::napi_value {
        self.arguments[index]
    }

    /// An argument that is a whole number.
    pub(crate) fn number(&self, index: usize) -> Result<u32> {
        let mut number = 0;
        // SAFETY: the value is one that this call was given.
        let status =
            unsafe { sys::napi_get_value_uint32(self.env.raw(), self.arguments[index], &mut number) };
        check_status!(status).map_err(napi_failure)?;
        Ok(number)
    }

    /// An argument that is a `Uint8Array`. To be used before JavaScript runs again, or the engine is asked
    /// for anything.
    pub(crate) fn bytes(&self, index: usize) -> Result<&[u8]> {
        let (mut kind, mut length, mut data) = (0, 0, ptr::null_mut());
        // SAFETY: the value is one that this call was given; what is not asked for may be null.
        let status = unsafe {
            sys::napi_get_typedarray_info(
                self.env.raw(),
                self.arguments[index],
                &mut kind,
                &mut length,
                &mut data,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        check_status!(status).map_err(napi_failure)?;
        if kind != sys::TypedarrayType::uint8_array {
            return Err(napi::Error::new(Code::Napi(Status::InvalidArg), "not a Uint8Array"));
        }
        if length == 0 || data.is_null() {
            return Ok(&[]);
        }
        // SAFETY: so many bytes are there for as long as the array lives, which is an argument of this
        // call, and nobody detaches it while JavaScript does not run.
        Ok(unsafe { slice::from_raw_parts(data.cast(), length) })
    }
}

/// A bound function. What arguments it takes is told to TypeScript, and checked by what it calls.
pub(crate) type Bound<'env> = Function<'env, (), u32>;

/// A function that calls `call`, which goes when the function is collected.
pub(crate) fn bind<'env, F, const N: usize>(env: &'env Env, name: &CStr, call: F) -> Result<Bound<'env>>
where
    F: Fn(&Call<N>) -> Result<u32> + 'static,
{
    let mut function = ptr::null_mut();
    let data = Box::into_raw(Box::new(call)).cast::<c_void>();
    // SAFETY: the name and the result live while this call does; `data` is what `called` takes it for.
    let status = unsafe {
        sys::napi_create_function(
            env.raw(),
            name.as_ptr(),
            name.count_bytes() as isize,
            Some(called::<F, N>),
            data,
            &mut function,
        )
    };
    if status != sys::Status::napi_ok {
        // SAFETY: no function has taken the data over.
        drop(unsafe { Box::from_raw(data.cast::<F>()) });
    }
    check_status!(status).map_err(napi_failure)?;
    // SAFETY: the function is live, and this is the only release of its data. Should this fail, the data
    // stays, as the function may.
    let status = unsafe {
        sys::napi_add_finalizer(
            env.raw(),
            function,
            data,
            Some(collected::<F>),
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    check_status!(status).map_err(napi_failure)?;
    // SAFETY: the function was just made in this environment.
    unsafe { Function::from_napi_value(env.raw(), function) }.map_err(napi_failure)
}

unsafe extern "C" fn called<F, const N: usize>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value
where
    F: Fn(&Call<N>) -> Result<u32>,
{
    let (mut arguments, mut count, mut data) = ([ptr::null_mut(); N], N, ptr::null_mut());
    // SAFETY: the engine calls this with both; there is room for `count` arguments.
    let status = unsafe {
        sys::napi_get_cb_info(env, info, &mut count, arguments.as_mut_ptr(), ptr::null_mut(), &mut data)
    };
    if status != sys::Status::napi_ok || data.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: the data is what `bind` gave to this function, which lives while it is called.
    let call = unsafe { &*data.cast::<F>() };
    let given = Call { env: Env::from_raw(env), arguments };
    // What is bound keeps its state in cells that a panic leaves whole.
    let outcome = catch_unwind(AssertUnwindSafe(|| call(&given)))
        .unwrap_or_else(|panic| Err(napi_failure(panic_to_error(panic))));
    let mut result = ptr::null_mut();
    match outcome {
        // SAFETY: the environment is the one that calls; `result` lives while this call does.
        Ok(number) => unsafe {
            sys::napi_create_uint32(env, number, &mut result);
        },
        // SAFETY: as above.
        Err(error) => unsafe { JsError::from(error).throw_into(env) },
    }
    result
}

unsafe extern "C" fn collected<F>(_: sys::napi_env, data: *mut c_void, _: *mut c_void) {
    // SAFETY: the data is what `bind` gave to the function, which is gone. A panic of its drop would
    // abort the process, as it does in any finalizer.
    drop(unsafe { Box::from_raw(data.cast::<F>()) });
}
