/** What may stand inside an element. */
export type Child = Node | string | number | false | undefined

/** Attributes by their names, and listeners by `on…`; what is false or undefined is left out. */
export type Attributes = Readonly<
  Record<string, string | number | boolean | undefined | Listener | Readonly<Record<string, string>>>
>

// A listener takes the kind of event that its name stands for.
// oxlint-disable-next-line typescript/no-explicit-any
type Listener = (event: any) => void

const listeners = ['onclick', 'oninput', 'onkeydown', 'onscroll', 'onsubmit', 'onchange'] as const

/** An element. Texts become text, whatever is in them: nothing here ever reads markup. */
export function h(name: string, attributes: Attributes = {}, ...children: readonly Child[]): HTMLElement {
  const element = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue
    if (typeof value === 'function') Object.assign(element, { [key]: value })
    else if (typeof value === 'object')
      for (const [name, one] of Object.entries(value)) element.style.setProperty(name, one)
    else element.setAttribute(key, value === true ? '' : String(value))
  }
  element.append(...nodesOf(children))
  return element
}

/**
 * Makes the children of an element those that are given, by changing what differs and nothing else: what has the focus keeps
 * it, what is scrolled stays where it is, and a screen reader is told of no more than what is new.
 */
export function morph(parent: Element, children: readonly Child[]): void {
  const after = nodesOf(children)
  const before = [...parent.childNodes]
  for (const [index, node] of after.entries()) {
    const old = before[index]
    if (!old) parent.append(node)
    else if (!takeOver(old, node)) old.replaceWith(node)
  }
  for (const old of before.slice(after.length)) old.remove()
}

function takeOver(old: Node, node: Node): boolean {
  if (old instanceof Text && node instanceof Text) {
    if (old.data !== node.data) old.data = node.data
    return true
  }
  if (!(old instanceof HTMLElement) || !(node instanceof HTMLElement) || old.tagName !== node.tagName) return false
  if (old.dataset['key'] !== node.dataset['key']) return false
  for (const name of old.getAttributeNames())
    if (name !== 'style' && !node.hasAttribute(name)) old.removeAttribute(name)
  for (const { name, value } of node.attributes) {
    if (name !== 'style' && old.getAttribute(name) !== value) old.setAttribute(name, value)
  }
  // The policy of this page forbids style as text, and allows it as properties.
  if (old.style.cssText !== node.style.cssText) old.style.cssText = node.style.cssText
  for (const name of listeners) if (old[name] !== node[name]) Object.assign(old, { [name]: node[name] })
  if (old instanceof HTMLInputElement && old !== document.activeElement) old.value = node.getAttribute('value') ?? ''
  morph(old, [...node.childNodes])
  return true
}

function nodesOf(children: readonly Child[]): readonly Node[] {
  return children
    .filter(child => child !== undefined && child !== false && child !== '')
    .map(child => (child instanceof Node ? child : document.createTextNode(String(child))))
}

/** The element of the document with this id; it is in index.html. */
export function byId(id: string): HTMLElement {
  const element = document.getElementById(id)
  if (!element) throw new Error(`index.html has no #${id}`)
  return element
}
