//! What `#[handler]` makes of a function: the function as it was, and an export.

use proc_macro2::TokenStream;
use quote::quote;
use quote::quote_spanned;
use syn::Attribute;
use syn::Error;
use syn::FnArg;
use syn::ReturnType;
use syn::Safety;
use syn::Signature;
use syn::Visibility;
use syn::parse::ParseStream;
use syn::parse::Parser;
use syn::spanned::Spanned;

/// The item unchanged, followed by the export or by the error. Unchanged in both cases, so
/// that a wrong shape is the only complaint and tests of the function still compile.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let added = export(arguments, item.clone()).unwrap_or_else(Error::into_compile_error);
    quote! { #item #added }
}

fn export(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(
            arguments,
            "`#[handler]` takes no arguments",
        ));
    }
    let signature = head.parse2(item)?;
    check(&signature)?;

    let name = &signature.ident;
    let app = if signature.inputs.is_empty() {
        quote! { |_| #name() }
    } else {
        quote! { #name }
    };
    let run = if signature.asyncness.is_some() {
        quote! { run_async }
    } else {
        quote! { run }
    };
    // Where a return type that is no response is reported.
    let returned = match &signature.output {
        ReturnType::Type(_, returned) => returned.span(),
        ReturnType::Default => name.span(),
    };
    let on_host = quote_spanned! { returned=> ::fcgi_wasm_sdk::entry::#run(#app) };
    let in_test = quote_spanned! { returned=> ::fcgi_wasm_sdk::testing::#run(#app, request) };
    Ok(quote! {
        #[cfg(target_family = "wasm")]
        const _: () = {
            struct App;
            impl ::fcgi_wasm_sdk::entry::Guest for App {
                fn handle() -> ::core::result::Result<(), ::std::string::String> {
                    #on_host
                }
            }
            ::fcgi_wasm_sdk::entry::export_handler!(
                App with_types_in ::fcgi_wasm_sdk::bindings
            );
        };

        // Never called: a native build finds the same mistakes as one for WebAssembly, and
        // does not call the function unused.
        #[cfg(not(target_family = "wasm"))]
        const _: fn(::fcgi_wasm_sdk::Request) = |request| {
            #in_test;
        };
    })
}

/// Reads a function up to its body; the body may be anything, even unfinished.
fn head(input: ParseStream<'_>) -> syn::Result<Signature> {
    input.call(Attribute::parse_outer)?;
    input.parse::<Visibility>()?;
    let signature = input.parse()?;
    input.parse::<TokenStream>()?;
    Ok(signature)
}

fn check(signature: &Signature) -> syn::Result<()> {
    if let Safety::Unsafe(token) = &signature.safety {
        return Err(Error::new_spanned(token, "a handler is a safe function"));
    }
    if let Some(token) = &signature.asyncness
        && !cfg!(feature = "async")
    {
        return Err(Error::new_spanned(
            token,
            "an `async` handler needs the feature `async` of fcgi-wasm-sdk",
        ));
    }
    if !signature.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &signature.generics,
            "a handler has no generic parameters: the host could not choose them",
        ));
    }
    if let Some(FnArg::Receiver(receiver)) = signature.inputs.first() {
        return Err(Error::new_spanned(
            receiver,
            "a handler is a free function: no state outlives a request",
        ));
    }
    if let Some(second) = signature.inputs.iter().nth(1) {
        return Err(Error::new_spanned(
            second,
            "a handler takes the request, or nothing",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::ToTokens;
    use std::str::FromStr;

    /// Expects that `item` is refused with `message`, pointing at `place`.
    fn check_refused(arguments: &str, item: &str, place: &str, message: &str) {
        let error = export(tokens(arguments), tokens(item)).unwrap_err();
        assert_eq!(error.to_string(), message, "{item}");
        assert_eq!(error.span().source_text().as_deref(), Some(place), "{item}");
    }

    fn tokens(source: &str) -> TokenStream {
        TokenStream::from_str(source).unwrap()
    }

    fn exported(item: &str) -> String {
        export(TokenStream::new(), tokens(item))
            .unwrap()
            .to_string()
            .replace(' ', "")
    }

    #[test]
    fn wrong_shapes_are_refused_where_they_are_wrong() {
        check_refused(
            "path = \"/\"",
            "fn app() {}",
            "path = \"/\"",
            "`#[handler]` takes no arguments",
        );
        check_refused("", "pub struct App;", "struct", "expected `fn`");
        check_refused(
            "",
            "unsafe fn app() {}",
            "unsafe",
            "a handler is a safe function",
        );
        check_refused(
            "",
            "fn app<T>(request: T) {}",
            "<T>",
            "a handler has no generic parameters: the host could not choose them",
        );
        check_refused(
            "",
            "fn app(&self, request: Request) {}",
            "&self",
            "a handler is a free function: no state outlives a request",
        );
        check_refused(
            "",
            "fn app(request: Request, state: State) {}",
            "state: State",
            "a handler takes the request, or nothing",
        );
    }

    #[test]
    fn right_shapes_are_called_as_they_are() {
        let run = "::fcgi_wasm_sdk::entry::run(app)";
        assert!(exported("fn app(request: Request) -> String { String::new() }").contains(run));
        assert!(exported("/// Doc.\n#[inline] pub(crate) fn app(_: Request) {}").contains(run));
        assert!(
            exported("fn app() -> &'static str { \"\" }")
                .contains("::fcgi_wasm_sdk::entry::run(|_|app())")
        );
    }

    #[cfg(feature = "async")]
    #[test]
    fn an_async_function_is_run_by_the_runtime() {
        assert!(
            exported("async fn app(request: Request) {}")
                .contains("::fcgi_wasm_sdk::entry::run_async(app)")
        );
    }

    #[cfg(not(feature = "async"))]
    #[test]
    fn an_async_function_needs_the_feature() {
        check_refused(
            "",
            "async fn app(request: Request) {}",
            "async",
            "an `async` handler needs the feature `async` of fcgi-wasm-sdk",
        );
    }

    #[test]
    fn the_function_stays_as_it_is() {
        let item = "fn app<T>(request: Request) -> u32 { 1 }";
        let expanded = expand(TokenStream::new(), tokens(item)).to_string();
        let kept = tokens(item).into_token_stream().to_string();
        assert!(expanded.starts_with(&kept), "{expanded}");
    }
}
