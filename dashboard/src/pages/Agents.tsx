/** What is installed: who answers, and what outbound calls can be about. */
import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Paper from "@mui/material/Paper";
import Typography from "@mui/material/Typography";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { api } from "../api/client";
import type { Agent, Scenario } from "../api/types";
import { Failed, Loading } from "../components/pageStates";
import { useAct } from "../components/useAct";
import { follow, paths } from "../lib/router";
import { grouped } from "../model/format";
import { t } from "../texts/index";

export default function Agents() {
  const agents = useQuery({
    queryKey: ["agents"],
    queryFn: ({ signal }) => api.agents(signal),
  });
  const scenarios = useQuery({
    queryKey: ["scenarios"],
    queryFn: ({ signal }) => api.scenarios(signal),
  });
  return (
    <Box sx={{ px: { xs: 1.5, md: 3 }, pt: 0.75, pb: 3, display: "grid", gap: 3 }}>
      <Typography variant="body2" color="textSecondary">
        {t.agents.lead}
      </Typography>
      <Group title={t.agents.agents} query={agents}>
        {(agents.data ?? []).map((agent) => (
          <AgentCard key={agent.id} agent={agent} />
        ))}
      </Group>
      <Group title={t.agents.scenarios} query={scenarios}>
        {(scenarios.data ?? []).map((scenario) => (
          <ScenarioCard key={scenario.id} scenario={scenario} />
        ))}
      </Group>
    </Box>
  );
}

function Group(props: {
  title: string;
  query: { isPending: boolean; isError: boolean; error: unknown; refetch: () => void };
  children: ReactNode[];
}) {
  const { query } = props;
  return (
    <Box component="section" aria-label={props.title}>
      <Typography variant="h2" sx={{ mb: 1.25 }}>
        {props.title}
      </Typography>
      {query.isPending && <Loading />}
      {query.isError && <Failed error={query.error} retry={query.refetch} />}
      {!query.isPending && !query.isError && props.children.length === 0 && (
        <Typography variant="body2" color="textSecondary">
          {t.agents.none}
        </Typography>
      )}
      <Box sx={cards}>{props.children}</Box>
    </Box>
  );
}

function AgentCard(props: { agent: Agent }) {
  const { agent } = props;
  const queries = useQueryClient();
  const { act, busy } = useAct();
  const talk = `${paths.softphone}?agent=${encodeURIComponent(agent.id)}`;
  const facts = [
    [t.agents.numbers, agent.numbers?.map(grouped).join(", ")],
    [t.agents.voice, agent.voice],
    [t.agents.language, agent.language],
    [t.agents.commands, agent.commands?.map((name) => name.replaceAll("_", " ")).join(", ")],
    [t.agents.transfers, agent.transferTargets?.map(({ number }) => grouped(number)).join(", ")],
  ].filter(([, value]) => value);
  const answer = async () => {
    await act(() => api.answerBy(agent.id), t.agents.answersNow(agent.name ?? agent.id));
    await queries.invalidateQueries({ queryKey: ["agents"] });
  };
  return (
    <Paper variant="outlined" component="section" aria-label={agent.name ?? agent.id} sx={card}>
      <Title name={agent.name} id={agent.id} />
      {agent.default && (
        <Typography variant="caption" sx={{ color: "primary.main", fontWeight: 650 }}>
          {t.agents.default}
        </Typography>
      )}
      {agent.description && <Typography variant="body2">{agent.description}</Typography>}
      {agent.greeting && (
        <Typography variant="body2" color="textSecondary">
          “{agent.greeting}”
        </Typography>
      )}
      <Box component="dl" sx={factList}>
        {facts.map(([name, value]) => (
          <Typography key={name} variant="caption" color="textSecondary" component="div">
            <dt>{name}:&nbsp;</dt>
            <dd>{value}</dd>
          </Typography>
        ))}
      </Box>
      <Box sx={{ display: "flex", flexWrap: "wrap", gap: 1, ml: -0.75 }}>
        <Button size="small" href={talk} onClick={(event) => follow(event, talk)}>
          {t.agents.talk}
        </Button>
        {!agent.default && (
          <Button size="small" disabled={busy} onClick={() => void answer()}>
            {t.agents.makeDefault}
          </Button>
        )}
      </Box>
    </Paper>
  );
}

function ScenarioCard(props: { scenario: Scenario }) {
  const { scenario } = props;
  const path = `${paths.new}?scenario=${encodeURIComponent(scenario.id)}`;
  return (
    <Paper variant="outlined" sx={card}>
      <Title name={scenario.name} id={scenario.id} />
      <Typography variant="body2" sx={{ overflowWrap: "anywhere" }}>
        {scenario.description}
      </Typography>
      {scenario.opening && (
        <Typography variant="body2" color="textSecondary" sx={{ overflowWrap: "anywhere" }}>
          “{scenario.opening}”
        </Typography>
      )}
      <Button
        size="small"
        href={path}
        onClick={(event) => follow(event, path)}
        sx={{ alignSelf: "start", ml: -0.75, mt: "auto" }}
      >
        {t.agents.use}
      </Button>
    </Paper>
  );
}

function Title(props: { name: string | undefined; id: string }) {
  return (
    <Box sx={{ display: "flex", gap: 1, alignItems: "baseline", flexWrap: "wrap" }}>
      <Typography variant="h2" component="h3">
        {props.name ?? props.id}
      </Typography>
      {props.name && (
        <Typography variant="caption" color="textSecondary">
          {props.id}
        </Typography>
      )}
    </Box>
  );
}

const cards = {
  display: "grid",
  gap: 1.5,
  gridTemplateColumns: "repeat(auto-fill, minmax(min(100%, 17.5rem), 1fr))",
} as const;

const card = { p: 2, display: "flex", flexDirection: "column", gap: 0.75 } as const;

const factList = {
  m: 0,
  flex: 1,
  "& > div": { display: "flex" },
  "& dt": { flex: "none" },
  "& dd": { m: 0, overflowWrap: "anywhere" },
} as const;
