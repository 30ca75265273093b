const key = 'berth-theme'
const names = ['system', 'light', 'dark'] as const
type Theme = (typeof names)[number]

/** The button that goes round: as the system has it, light, dark. */
export function startTheme(button: HTMLElement): void {
  let theme: Theme = names.find(name => name === localStorage.getItem(key)) ?? 'system'
  const apply = (): void => {
    if (theme === 'system') delete document.documentElement.dataset['theme']
    else document.documentElement.dataset['theme'] = theme
    button.textContent = { system: 'Auto', light: 'Light', dark: 'Dark' }[theme]
    button.setAttribute('aria-label', `Theme: ${theme}`)
  }
  button.addEventListener('click', () => {
    theme = names[(names.indexOf(theme) + 1) % names.length] ?? 'system'
    localStorage.setItem(key, theme)
    apply()
  })
  apply()
}
