//! Every expression of a parsed template.

use minijinja::machinery::ast::{CallArg, Expr, Stmt};

/// Calls `visit` with every expression of a statement, outer ones first.
pub(super) fn each_expression<'a>(node: &Stmt<'a>, visit: &mut dyn FnMut(&Expr<'a>)) {
    let all = |nodes: &[Stmt<'a>], visit: &mut dyn FnMut(&Expr<'a>)| {
        nodes.iter().for_each(|node| each_expression(node, visit));
    };
    match node {
        Stmt::Template(node) => all(&node.children, visit),
        Stmt::EmitExpr(node) => expression(&node.expr, visit),
        Stmt::ForLoop(node) => {
            expression(&node.iter, visit);
            expressions(&node.filter_expr, visit);
            all(&node.body, visit);
            all(&node.else_body, visit);
        }
        Stmt::IfCond(node) => {
            expression(&node.expr, visit);
            all(&node.true_body, visit);
            all(&node.false_body, visit);
        }
        Stmt::WithBlock(node) => {
            node.assignments.iter().for_each(|(_, node)| expression(node, visit));
            all(&node.body, visit);
        }
        Stmt::Set(node) => expression(&node.expr, visit),
        Stmt::SetBlock(node) => {
            expressions(&node.filter, visit);
            all(&node.body, visit);
        }
        Stmt::AutoEscape(node) => all(&node.body, visit),
        Stmt::FilterBlock(node) => {
            expression(&node.filter, visit);
            all(&node.body, visit);
        }
        Stmt::Block(node) => all(&node.body, visit),
        Stmt::Macro(node) => {
            expressions(&node.defaults, visit);
            all(&node.body, visit);
        }
        Stmt::CallBlock(node) => {
            arguments(&node.call.args, visit);
            all(&node.macro_decl.body, visit);
        }
        Stmt::Do(node) => arguments(&node.call.args, visit),
        Stmt::EmitRaw(_) | Stmt::Import(_) | Stmt::FromImport(_) | Stmt::Extends(_) | Stmt::Include(_) => {}
        Stmt::Continue(_) | Stmt::Break(_) => {}
    }
}

/// Calls `visit` with an expression, and with those within it.
fn expression<'a>(node: &Expr<'a>, visit: &mut dyn FnMut(&Expr<'a>)) {
    visit(node);
    match node {
        Expr::Var(_) | Expr::Const(_) => {}
        Expr::Slice(node) => {
            let parts = [Some(&node.expr), node.start.as_ref(), node.stop.as_ref(), node.step.as_ref()];
            expressions(parts.into_iter().flatten(), visit);
        }
        Expr::UnaryOp(node) => expression(&node.expr, visit),
        Expr::BinOp(node) => expressions([&node.left, &node.right], visit),
        Expr::Compare(node) => {
            expressions(std::iter::once(&node.expr).chain(node.ops.iter().map(|op| &op.expr)), visit);
        }
        Expr::IfExpr(node) => {
            expressions([&node.test_expr, &node.true_expr].into_iter().chain(&node.false_expr), visit);
        }
        Expr::Filter(node) => {
            expressions(&node.expr, visit);
            arguments(&node.args, visit);
        }
        Expr::Test(node) => {
            expression(&node.expr, visit);
            arguments(&node.args, visit);
        }
        Expr::GetAttr(node) => expression(&node.expr, visit),
        Expr::GetItem(node) => expressions([&node.expr, &node.subscript_expr], visit),
        Expr::Call(node) => {
            expression(&node.expr, visit);
            arguments(&node.args, visit);
        }
        Expr::List(node) => expressions(&node.items, visit),
        Expr::Tuple(node) => expressions(&node.items, visit),
        Expr::Map(node) => expressions(node.keys.iter().chain(&node.values), visit),
    }
}

fn expressions<'n, 'a: 'n>(nodes: impl IntoIterator<Item = &'n Expr<'a>>, visit: &mut dyn FnMut(&Expr<'a>)) {
    nodes.into_iter().for_each(|node| expression(node, visit));
}

fn arguments<'a>(nodes: &[CallArg<'a>], visit: &mut dyn FnMut(&Expr<'a>)) {
    for node in nodes {
        let (CallArg::Pos(value) | CallArg::Kwarg(_, value) | CallArg::PosSplat(value) | CallArg::KwargSplat(value)) =
            node;
        expression(value, visit);
    }
}
