import { measureAnswers } from './answers.ts'

const t = performance.now()
console.table(await measureAnswers({ quick: false, progress: l => console.log(l, Math.round(performance.now() - t)) }))
