//! What `#[handler]` and its like make of a function: the function as it was, and an export.

use proc_macro2::TokenStream;
use quote::format_ident;
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

/// One of FastCGI's roles, as a function plays it.
pub(crate) struct Role {
    /// The attribute.
    name: &'static str,
    /// What such a function is, with its article.
    what: &'static str,
    /// What it takes, for complaints.
    takes: &'static str,
    /// What the SDK hands it.
    arguments: &'static [&'static str],
    /// The export's trait, function and macro, and what that function gives if all is well.
    guest: &'static str,
    export: &'static str,
    export_macro: &'static str,
    gives: &'static str,
    /// The SDK's function that runs it, of this name for the host and for a test.
    run: &'static str,
}

pub(crate) const HANDLER: Role = Role {
    name: "handler",
    what: "a handler",
    takes: "the request, or nothing",
    arguments: &["request"],
    guest: "HandlerGuest",
    export: "handle",
    export_macro: "export_handler",
    gives: "()",
    run: "run",
};

pub(crate) const AUTHORIZER: Role = Role {
    name: "authorizer",
    what: "an authorizer",
    takes: "the request, or nothing",
    arguments: &["request"],
    guest: "AuthorizationGuest",
    export: "authorize",
    export_macro: "export_authorization",
    gives: "::fcgi_wasm_sdk::entry::Ruling",
    run: "authorize",
};

pub(crate) const FILTER: Role = Role {
    name: "filter",
    what: "a filter",
    takes: "the request and the file",
    arguments: &["request", "source"],
    guest: "FilteringGuest",
    export: "filter",
    export_macro: "export_filtering",
    gives: "()",
    run: "filter",
};

/// The item unchanged, followed by the export or by the error. Unchanged in both cases, so
/// that a wrong shape is the only complaint and tests of the function still compile.
pub(crate) fn expand(role: &Role, arguments: TokenStream, item: TokenStream) -> TokenStream {
    let added = export(role, arguments, item.clone()).unwrap_or_else(Error::into_compile_error);
    quote! { #item #added }
}

fn export(role: &Role, arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    if !arguments.is_empty() {
        let complaint = format!("`#[{}]` takes no arguments", role.name);
        return Err(Error::new_spanned(arguments, complaint));
    }
    let signature = head.parse2(item)?;
    check(role, &signature)?;

    let name = &signature.ident;
    let app = if signature.inputs.is_empty() {
        quote! { |_| #name() }
    } else {
        quote! { #name }
    };
    let run = match signature.asyncness {
        Some(_) => format_ident!("{}_async", role.run),
        None => format_ident!("{}", role.run),
    };
    let (guest, export) = (
        format_ident!("{}", role.guest),
        format_ident!("{}", role.export),
    );
    let export_macro = format_ident!("{}", role.export_macro);
    let gives: TokenStream = role.gives.parse()?;
    let given = role
        .arguments
        .iter()
        .map(|argument| format_ident!("{argument}"));
    let given = quote! { #(#given),* };
    let types = role.arguments.iter().map(|argument| match *argument {
        "source" => quote! { ::fcgi_wasm_sdk::Source },
        _ => quote! { ::fcgi_wasm_sdk::Request },
    });
    // Where a return type that does not fit is reported.
    let returned = match &signature.output {
        ReturnType::Type(_, returned) => returned.span(),
        ReturnType::Default => name.span(),
    };
    let on_host = quote_spanned! { returned=> ::fcgi_wasm_sdk::entry::#run(#app) };
    let in_test = quote_spanned! { returned=> ::fcgi_wasm_sdk::testing::#run(#app, #given) };
    Ok(quote! {
        #[cfg(target_family = "wasm")]
        const _: () = {
            struct App;
            impl ::fcgi_wasm_sdk::entry::#guest for App {
                fn #export() -> ::core::result::Result<#gives, ::std::string::String> {
                    #on_host
                }
            }
            ::fcgi_wasm_sdk::entry::#export_macro!(App);
        };

        // Never called: a native build finds the same mistakes as one for WebAssembly, and
        // does not call the function unused.
        #[cfg(not(target_family = "wasm"))]
        const _: fn(#(#types),*) = |#given| {
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

fn check(role: &Role, signature: &Signature) -> syn::Result<()> {
    let what = role.what;
    if let Safety::Unsafe(token) = &signature.safety {
        return Err(Error::new_spanned(
            token,
            format!("{what} is a safe function"),
        ));
    }
    if let Some(token) = &signature.asyncness
        && !cfg!(feature = "async")
    {
        return Err(Error::new_spanned(
            token,
            format!(
                "an `async` {} needs the feature `async` of fcgi-wasm-sdk",
                role.name
            ),
        ));
    }
    if !signature.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &signature.generics,
            format!("{what} has no generic parameters: the host could not choose them"),
        ));
    }
    if let Some(FnArg::Receiver(receiver)) = signature.inputs.first() {
        return Err(Error::new_spanned(
            receiver,
            format!("{what} is a free function: no state outlives a request"),
        ));
    }
    let most = role.arguments.len();
    let takes = || format!("{what} takes {}", role.takes);
    if let Some(excess) = signature.inputs.iter().nth(most) {
        return Err(Error::new_spanned(excess, takes()));
    }
    // A handler may leave its request out.
    if most > 1 && signature.inputs.len() < most {
        return Err(Error::new_spanned(&signature.ident, takes()));
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
        check_refused_as(&HANDLER, arguments, item, place, message);
    }

    fn check_refused_as(role: &Role, arguments: &str, item: &str, place: &str, message: &str) {
        let error = export(role, tokens(arguments), tokens(item)).unwrap_err();
        assert_eq!(error.to_string(), message, "{item}");
        assert_eq!(error.span().source_text().as_deref(), Some(place), "{item}");
    }

    fn tokens(source: &str) -> TokenStream {
        TokenStream::from_str(source).unwrap()
    }

    fn exported(item: &str) -> String {
        exported_as(&HANDLER, item)
    }

    fn exported_as(role: &Role, item: &str) -> String {
        export(role, TokenStream::new(), tokens(item))
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

    #[test]
    fn each_role_has_its_shape_and_its_export() {
        let gate = exported_as(
            &AUTHORIZER,
            "fn gate(request: Request) -> Verdict { todo!() }",
        );
        assert!(
            gate.contains("::fcgi_wasm_sdk::entry::authorize(gate)"),
            "{gate}"
        );
        assert!(gate.contains("::fcgi_wasm_sdk::entry::export_authorization!(App)"));
        let shout = "fn shout(_: Request, file: Source) -> String { todo!() }";
        let shout = exported_as(&FILTER, shout);
        assert!(
            shout.contains("::fcgi_wasm_sdk::entry::filter(shout)"),
            "{shout}"
        );
        assert!(shout.contains("::fcgi_wasm_sdk::entry::export_filtering!(App)"));
        let takes = "a filter takes the request and the file";
        check_refused_as(&FILTER, "", "fn shout(_: Request) {}", "shout", takes);
        let three = "fn shout(_: Request, file: Source, more: u8) {}";
        check_refused_as(&FILTER, "", three, "more: u8", takes);
        let two = "fn gate(_: Request, more: u8) -> Verdict {}";
        let takes = "an authorizer takes the request, or nothing";
        check_refused_as(&AUTHORIZER, "", two, "more: u8", takes);
        let complaint = "`#[filter]` takes no arguments";
        check_refused_as(&FILTER, "html", "fn shout() {}", "html", complaint);
    }

    #[cfg(feature = "async")]
    #[test]
    fn an_async_function_is_run_by_the_runtime() {
        assert!(
            exported("async fn app(request: Request) {}")
                .contains("::fcgi_wasm_sdk::entry::run_async(app)")
        );
        let gate = exported_as(&AUTHORIZER, "async fn gate() -> Verdict {}");
        assert!(gate.contains("::fcgi_wasm_sdk::entry::authorize_async(|_|gate())"));
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
        let expanded = expand(&HANDLER, TokenStream::new(), tokens(item)).to_string();
        let kept = tokens(item).into_token_stream().to_string();
        assert!(expanded.starts_with(&kept), "{expanded}");
    }
}
