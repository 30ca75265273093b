import { child, type Field, listAt, refuse, requiredText, textsAt } from './field.ts'
import { formatSelector, type LabelSelector, type SelectorRequirement } from './selector.ts'

const labelValue = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/
const labelKey = /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/

/** A list of selectors, each once: two ways to write one selector are not worth a complaint. */
export function selectorsAt(field: Field): readonly LabelSelector[] {
  const selectors = new Map<string, LabelSelector>()
  for (const item of listAt(field)) {
    const selector = selectorAt(item)
    selectors.set(formatSelector(selector), selector)
  }
  return [...selectors.values()]
}

/** A `metav1.LabelSelector`. */
export function selectorAt(field: Field): LabelSelector {
  const labels = Object.entries(textsAt(child(field, 'matchLabels')))
  const equal = labels.map(([key, value]): SelectorRequirement => {
    const label = { path: `${field.path}.matchLabels.${key}`, value }
    return { operator: 'In', key: checkedKey(label, key), values: [checkedValue(label, value)] }
  })
  return { requirements: [...equal, ...listAt(child(field, 'matchExpressions')).map(requirementAt)] }
}

function requirementAt(field: Field): SelectorRequirement {
  const keyField = child(field, 'key')
  const key = checkedKey(keyField, requiredText(keyField))
  // An empty label value is a value like any other, unlike an empty text elsewhere.
  const values = listAt(child(field, 'values')).map(item =>
    typeof item.value === 'string' ? checkedValue(item, item.value) : refuse(item, 'must be text'),
  )
  const operatorField = child(field, 'operator')
  const operator = requiredText(operatorField)
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (values.length === 0)
        refuse(field, `${operator} needs at least one of values; or write Exists or DoesNotExist`)
      return { operator, key, values }
    case 'Exists':
    case 'DoesNotExist':
      if (values.length > 0) refuse(field, `${operator} takes no values; remove them, or write In or NotIn`)
      return { operator, key }
    default:
      return refuse(operatorField, 'write In, NotIn, Exists or DoesNotExist')
  }
}

function checkedKey(field: Field, key: string): string {
  return labelKey.test(key)
    ? key
    : refuse(field, 'a label key is a name such as app, or prefix/name such as topology.kubernetes.io/zone')
}

function checkedValue(field: Field, value: string): string {
  return labelValue.test(value)
    ? value
    : refuse(field, "a label value has letters, digits, '-', '_' and '.', and begins and ends with a letter or digit")
}
