//! What can be refused only once the body has become states.

use proc_macro2::Ident;
use syn::Item;

use crate::{
    diagnostics::Diagnostics,
    lower::{Lowered, Op, Over, Var, VarSet, changes::Changes, mentions::Names},
};

/// What needs liveness: borrows that would travel, and branches that change what is outside.
pub(in crate::lower) fn check_borrows(lowered: &Lowered, diagnostics: &mut Diagnostics) {
    let mut travels = VarSet::new();
    for state in lowered.order.iter().map(|&id| &lowered.states[id]) {
        travels.extend(state.live_in.iter().copied());
    }
    for &id in &travels {
        let Var { ident, borrows, user, .. } = &lowered.vars[id];
        if let (true, Some(name)) = (*borrows, user) {
            diagnostics.error(
                ident,
                format!("`{name}` borrows, and would live across a call: a borrow cannot travel\nhelp: make it owned (`.clone()`, `.to_owned()`), or use it before the next call only"),
            );
        }
    }
    let names = &lowered.names;
    for seq in &lowered.seqs {
        for op in &seq.ops {
            for ident in changes_of(names, op) {
                let var = names.find(&ident.to_string()).map(|id| &lowered.vars[id]);
                if let Some(Var { region, user: Some(name), .. }) = var
                    && *region != seq.region
                {
                    diagnostics.error_instead_of_rustc(
                        &ident,
                        format!("a branch cannot change `{name}`, which is declared outside of it: each branch runs on its own\nhelp: return the value from the branch, and combine after the join"),
                    );
                }
            }
        }
    }
}

/// Two items of one name in different blocks would meet in the generated function.
pub(in crate::lower) fn check_items(lowered: &Lowered, diagnostics: &mut Diagnostics) {
    let mut seen = Vec::new();
    for item in &lowered.items {
        let Some(ident) = item_name(item) else { continue };
        if seen.contains(&ident) {
            diagnostics.error(
                ident,
                format!("`{ident}` is declared in two blocks of the workflow function\nhelp: rename one, or move them out of the function"),
            );
        }
        seen.push(ident);
    }
}

fn item_name(item: &Item) -> Option<&Ident> {
    match item {
        Item::Const(item) => Some(&item.ident),
        Item::Static(item) => Some(&item.ident),
        Item::Fn(item) => Some(&item.sig.ident),
        Item::Struct(item) => Some(&item.ident),
        Item::Enum(item) => Some(&item.ident),
        Item::Type(item) => Some(&item.ident),
        Item::Trait(item) => Some(&item.ident),
        Item::Mod(item) => Some(&item.ident),
        _ => None,
    }
}

fn changes_of(names: &Names, op: &Op) -> Vec<Ident> {
    use syn::visit::Visit;
    Changes::of(names, |changes| {
        changes.methods = true;
        match op {
            Op::Glue(stmt) => changes.visit_stmt(stmt),
            Op::Return(expr) | Op::If { cond: expr, .. } | Op::Match { scrutinee: expr, .. } => {
                changes.visit_expr(expr);
            }
            Op::Call { args, .. } => args.iter().for_each(|arg| changes.visit_expr(arg)),
            Op::Fork { over: Over::Items { items, .. }, .. } => changes.visit_expr(items),
            _ => {}
        }
    })
}
