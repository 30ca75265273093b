import { startControlPlane } from '../../control-plane/control-plane.ts'
import { type Lab, startLab } from '../../lab/lab.ts'
import { type BenchApi, benchApi } from '../api.ts'
import { apiServer } from '../speakers.ts'
import { answerPings, createServices } from './services.ts'
import type { Contender } from './speakers.ts'
import { type Stage, startStage } from './stage.ts'

export type Progress = (line: string) => void

/** A lab with the Services that are measured, for as long as it is used. */
export async function inLab(
  nodes: number,
  progress: Progress,
  use: (lab: Lab, api: BenchApi) => Promise<void>,
): Promise<void> {
  await using controlPlane = await startControlPlane({ addresses: [apiServer.host], progress })
  await using lab = await startLab({ nodes, controlPlane, progress })
  const api = await benchApi(controlPlane, 16)
  await answerPings(lab)
  await createServices(api)
  await use(lab, api)
  api.close()
}

/** A contender's speakers on all of its nodes, which stand still when it is used. */
export async function onStage(
  lab: Lab,
  contender: Contender,
  progress: Progress,
  use: (stage: Stage) => Promise<void>,
): Promise<void> {
  progress(`${contender.name} on ${lab.nodes.length} nodes`)
  const stage = await startStage(lab, contender)
  await use(stage)
  await stage.stop()
}
