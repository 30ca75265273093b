import { ApiError } from '../kube/api-error.ts'

/** Something that the user has to be told as it is. */
export class UserError extends Error {
  override readonly name = 'UserError'
}

/** What went wrong and what to do, for whoever typed the command. */
export function failureText(
  error: unknown,
  context: { readonly server: string | undefined; readonly namespace: string },
): string {
  if (error instanceof UserError) return error.message
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof ApiError) return apiFailureText(error, message, context.namespace)
  const { server } = context
  if (server !== undefined) {
    return `No answer from the cluster at ${server}: ${message}\nIs it the right one (--kubeconfig, --context), and does "kubectl get nodes" work?`
  }
  return message
}

function apiFailureText({ status }: ApiError, message: string, namespace: string): string {
  switch (status) {
    case 401:
      return `The cluster does not know you: ${message}\nLog in again, or choose other credentials with --kubeconfig or --context.`
    case 403:
      return `You may not read what this command needs: ${message}\nAsk an admin for a role that may list Services, EndpointSlices, Nodes, Namespaces, the Leases of ${namespace} and everything in the API group berth.dev.`
    case 404:
      return `The cluster does not know Berth's kinds: ${message}\nBerth is not installed there, or its CRDs are not: helm show crds charts/berth | kubectl apply --server-side -f -`
    default:
      return message
  }
}
