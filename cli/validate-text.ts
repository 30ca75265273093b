import type { Paint } from './paint.ts'
import { wrap } from './table.ts'
import type { Validation } from './validate.ts'
import { counted } from './words.ts'

/** What is wrong, place by place as compilers write it, and a last line that sums it up. */
export function validationText({ files, checked, passedOver, problems }: Validation, paint: Paint): string {
  const found = problems.map(({ file, line, object, reason, message }) => {
    const head = [`${file}:${line}`, object, reason].filter(text => text !== '').join('  ')
    return `${paint.bad(head)}\n${wrap(message, '    ')}`
  })
  const others = passedOver > 0 ? `, ${counted(passedOver, 'other object')} passed over` : ''
  const sum = `${counted(checked, 'object')} in ${counted(files, 'file')} checked${others}`
  const verdict = problems.length === 0 ? paint.good('no problem') : paint.bad(counted(problems.length, 'problem'))
  return `${found.join('')}${found.length > 0 ? '\n' : ''}${sum}: ${verdict}\n`
}
