"""Whether a view can be used: what axe-core finds, and what has no room."""

from pathlib import Path

from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
# Rules that are not asked for, with the reason.
NOT_ASKED = {
    # WCAG AAA, 7:1: chips carry their value as a tint, and no ink has 7:1 on a middle tone.
    "color-contrast-enhanced": False,
}


def violations(page: Page) -> list[str]:
    """Return what axe-core finds in the whole page by all of its rules, also the optional ones."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate(
        """async skipped => {
            const rules = Object.fromEntries(axe.getRules().map(
                ({ruleId}) => [ruleId, {enabled: skipped[ruleId] ?? true}]));
            const {violations} = await axe.run(document, {rules, resultTypes: ['violations']});
            return violations.flatMap(({id, nodes}) => nodes.map(({target, failureSummary}) =>
                `${id}: ${target.join(' ')}: ${failureSummary.split('\\n').at(-1).trim()}`));
        }""",
        NOT_ASKED,
    )
    return sorted(set(found))


#: Returns what sticks out of a view, or is cut.
LAYOUT = """root => {
    const page = document.scrollingElement;
    const found = [];
    if (page.scrollWidth > page.clientWidth)
        found.push(`the page scrolls sideways: ${page.scrollWidth} > ${page.clientWidth}`);
    const outer = root.getBoundingClientRect();
    const name = e => `${e.tagName.toLowerCase()}.${e.getAttribute('class') ?? ''}`;
    for (const e of root.querySelectorAll('*')) {
        const style = getComputedStyle(e);
        const box = e.getBoundingClientRect();
        // For screen readers alone, or cut with an ellipsis that says so.
        if (box.width <= 1 || box.height <= 1 || style.visibility === 'hidden') continue;
        if (box.left < outer.left - 1 || box.right > outer.right + 1)
            found.push(`${name(e)} sticks out: ${box.left}…${box.right} of ${outer.right}`);
        if (style.display === 'inline' || style.textOverflow === 'ellipsis') continue;
        const cuts = axis => ['hidden', 'clip'].includes(style[`overflow${axis}`]);
        if (cuts('X') && e.scrollWidth > e.clientWidth + 1)
            found.push(`${name(e)} is cut: ${e.scrollWidth} in ${e.clientWidth}`);
        if (cuts('Y') && e.scrollHeight > e.clientHeight + 1)
            found.push(`${name(e)} is cut below: ${e.scrollHeight} in ${e.clientHeight}`);
    }
    return [...new Set(found)];
}"""
