import { useToken } from './api.ts'
import { h } from './dom.ts'
import { heading } from './parts.ts'

/** Asks for a token, and says why. */
export function loginForm(problem: string, onToken: () => void): readonly HTMLElement[] {
  const field = h('input', {
    id: 'token',
    type: 'password',
    autocomplete: 'off',
    spellcheck: false,
    required: true,
    'aria-describedby': 'token-help',
  })
  const submit = (event: Event): void => {
    event.preventDefault()
    // The field that is in the document, which may be an older one that was kept (dom.ts).
    const field = document.getElementById('token') as HTMLInputElement
    useToken(field.value)
    field.value = ''
    onToken()
  }
  return [
    heading('Sign in'),
    h('p', { class: 'matter', role: 'alert' }, `${problem.charAt(0).toUpperCase()}${problem.slice(1)}.`),
    h(
      'form',
      { class: 'login', onsubmit: submit },
      h('label', { for: 'token' }, 'Token of a service account'),
      field,
      h('button', { type: 'submit' }, 'Sign in'),
      h(
        'p',
        { id: 'token-help' },
        'Make one with ',
        h('code', {}, 'kubectl -n NAMESPACE create token SERVICEACCOUNT'),
        '. The service account needs the ClusterRole that the chart makes for this, RELEASE-status-page-viewer. The token is kept in this tab until it is closed, and sent to nobody but this page’s server.',
      ),
    ),
  ]
}
