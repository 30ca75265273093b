/*
 * Expressions that are evaluated in a page, to find what a person would stumble over. As text: they run in the browser.
 */

/** What a screen reader or a keyboard would stumble over; empty where nothing. */
export const accessibilityProblems = `(() => {
  const problems = []
  const name = element =>
    element.getAttribute('aria-label') || element.textContent.trim() || element.getAttribute('title') ||
    (element.labels && element.labels[0] ? element.labels[0].textContent : '')
  const seen = element => element.getClientRects().length > 0
  for (const selector of ['header', 'nav[aria-label]', 'main', 'h1', '[role=status]', 'html[lang]'])
    if (!document.querySelector(selector)) problems.push('there is no ' + selector)
  if (document.querySelectorAll('h1').length !== 1) problems.push('not one h1')
  for (const element of document.querySelectorAll('a, button, input, [role=region], [role=group], [role=img]'))
    if (seen(element) && !name(element)) problems.push('without a name: ' + element.outerHTML.slice(0, 120))
  for (const table of document.querySelectorAll('table')) {
    if (!table.caption) problems.push('a table without a caption')
    if (table.querySelector('thead th:not([scope=col])')) problems.push('a head without scope')
    if (table.querySelector('tbody tr:not(.gap) > :first-child:not(th[scope=row])')) problems.push('a row without a head')
  }
  const ids = [...document.querySelectorAll('[id]')].map(element => element.id)
  if (new Set(ids).size < ids.length) problems.push('an id twice')
  for (const element of document.querySelectorAll('[tabindex]'))
    if (element.tabIndex > 0) problems.push('a tab order of its own: ' + element.outerHTML.slice(0, 120))
  for (const element of document.querySelectorAll('[style]'))
    if (/url|expression/.test(element.getAttribute('style'))) problems.push('a style from elsewhere')
  return problems
})()`

/** Texts whose contrast is below 4.5 to 1, with it. */
export const faintTexts = `(() => {
  const canvas = document.createElement('canvas')
  canvas.width = canvas.height = 1
  const context = canvas.getContext('2d', { willReadFrequently: true })
  const known = new Map()
  const rgba = colour => {
    if (!known.has(colour)) {
      context.clearRect(0, 0, 1, 1)
      context.fillStyle = colour
      context.fillRect(0, 0, 1, 1)
      known.set(colour, [...context.getImageData(0, 0, 1, 1).data])
    }
    return known.get(colour)
  }
  const linear = part => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  const luminance = ([red, green, blue]) => 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor)
      if (colour[3] === 255) return colour
    }
    return [255, 255, 255, 255]
  }
  const found = new Set()
  for (const element of document.querySelectorAll('body *')) {
    const text = [...element.childNodes].filter(node => node.nodeType === 3).map(node => node.data.trim()).join('')
    if (!text || element.getClientRects().length === 0) continue
    const [one, other] = [luminance(rgba(getComputedStyle(element).color)), luminance(ground(element))]
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)
    if (contrast < 4.5) found.add(element.tagName + '.' + element.className + ' "' + text.slice(0, 30) + '" ' + contrast.toFixed(2))
  }
  return [...found]
})()`

/** The longest time between two frames, in milliseconds, while the list is scrolled through. */
export const longestFrame = `new Promise(resolve => {
  const list = document.querySelector('.rows')
  list.scrollTop = 0
  let longest = 0
  let last = performance.now()
  let frames = 0
  const frame = now => {
    longest = Math.max(longest, now - last)
    last = now
    list.scrollTop += 400
    if (++frames < 60) requestAnimationFrame(frame)
    else resolve(longest)
  }
  requestAnimationFrame(frame)
})`
