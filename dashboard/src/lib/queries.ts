/** Queries for the server's state that several pages share. */
import { useQuery } from "@tanstack/react-query";
import { api } from "../api/client";

/** Each run of the doctor makes requests to the carrier and the model: at most one in this time. */
const DOCTOR_MS = 10 * 60_000;

export function useDoctor() {
  return useQuery({
    queryKey: ["doctor"],
    queryFn: ({ signal }) => api.doctor(signal),
    staleTime: DOCTOR_MS,
    retry: false,
  });
}

/** Whether the server takes calls, and why not. */
export function useReady(everyMs: number) {
  return useQuery({
    queryKey: ["ready"],
    queryFn: ({ signal }) => api.ready(signal),
    refetchInterval: everyMs,
    retry: false,
  });
}
