"""The scenario that `meshsim init` writes where it knows nothing: two clusters, one Rollout, three callers."""

from typing import Final

STARTER: Final = """\
# yaml-language-server: $schema=./scenario.schema.json
# (meshsim schema > scenario.schema.json gives editors completion.)
#
# A Rollout in cluster east, called from both clusters. `meshsim run` says for each caller whether the split that Argo
# Rollouts manages is applied. Change one thing and run again: take istio.io/use-waypoint off east's namespace, or put
# it on west's.
apiVersion: meshsim/v1
kind: Scenario
name: starter
dialect: solo/1.30              # solo/1.27 to solo/1.30, istio/1.28 to istio/1.31
argo: {controller: "1.9", gatewayapi: "0.15"}

clusters:
  east:
    network: east               # clusters with the same network reach each other's pods directly
    # Real projects name files here: manifests: [clusters/east/]. Files, directories, globs, `-`, or objects as below.
    manifests:
      - apiVersion: v1
        kind: Namespace
        metadata:
          name: shop
          labels: {istio.io/dataplane-mode: ambient, istio.io/use-waypoint: waypoint}
      - apiVersion: gateway.networking.k8s.io/v1
        kind: Gateway
        metadata: {name: waypoint, namespace: shop}
        spec:
          gatewayClassName: istio-waypoint
          listeners: [{name: mesh, port: 15008, protocol: HBONE}]
      # The Service that clients call. The label makes catalog.shop.mesh.internal in every linked cluster.
      - apiVersion: v1
        kind: Service
        metadata: {name: catalog, namespace: shop, labels: {solo.io/service-scope: global}}
        spec: {selector: {app: catalog}, ports: [{name: http, port: 8080}]}
      # The two Services whose selectors Argo Rollouts moves; cluster-scoped.
      - apiVersion: v1
        kind: Service
        metadata: {name: catalog-stable, namespace: shop}
        spec: {selector: {app: catalog}, ports: [{name: http, port: 8080}]}
      - apiVersion: v1
        kind: Service
        metadata: {name: catalog-canary, namespace: shop}
        spec: {selector: {app: catalog}, ports: [{name: http, port: 8080}]}
      # The route whose weights Argo Rollouts writes.
      - apiVersion: gateway.networking.k8s.io/v1
        kind: HTTPRoute
        metadata: {name: catalog, namespace: shop}
        spec:
          parentRefs: [{group: "", kind: Service, name: catalog}]
          rules:
            - backendRefs:
                - {name: catalog-stable, port: 8080, weight: 100}
                - {name: catalog-canary, port: 8080, weight: 0}
      - apiVersion: argoproj.io/v1alpha1
        kind: Rollout
        metadata: {name: catalog, namespace: shop}
        spec:
          replicas: 4
          selector: {matchLabels: {app: catalog}}
          template:
            metadata: {labels: {app: catalog}}
            spec:
              containers:
                - name: catalog
                  image: registry.example.com/catalog:1.0
                  ports: [{containerPort: 8080}]
          strategy:
            canary:
              stableService: catalog-stable
              canaryService: catalog-canary
              trafficRouting:
                plugins:
                  argoproj-labs/gatewayAPI: {namespace: shop, httpRoutes: [{name: catalog}]}
              steps: [{setWeight: 10}, {pause: {}}, {setWeight: 50}, {pause: {}}]
      - apiVersion: apps/v1
        kind: Deployment
        metadata: {name: basket, namespace: shop}
        spec:
          selector: {matchLabels: {app: basket}}
          template:
            metadata: {labels: {app: basket}}
            spec: {containers: [{name: basket, image: registry.example.com/basket:3.0}]}
  west:
    network: west
    manifests:
      - apiVersion: v1
        kind: Namespace
        metadata:
          name: shop
          labels: {istio.io/dataplane-mode: ambient}
      - apiVersion: apps/v1
        kind: Deployment
        metadata: {name: recommender, namespace: shop}
        spec:
          selector: {matchLabels: {app: recommender}}
          template:
            metadata: {labels: {app: recommender}}
            spec: {containers: [{name: recommender, image: registry.example.com/recommender:1.1}]}
peering: all                    # all, none, or a list of {watcher: west, peer: east}

# Who calls what. Without any, every kind of client is asked for every Service that a Rollout governs.
calls:
  - {from: east/shop/basket, to: "catalog.shop:8080"}
  - {from: east/shop/basket, to: "catalog.shop.mesh.internal:8080"}
  - {from: west/shop/recommender, to: "catalog.shop.mesh.internal:8080"}

# What must hold; only the stated fields are compared. At every probed step where no moment is stated.
expect:
  - {from: west/shop/recommender, verdict: applied}
  - {step: 2, from: west/shop/recommender, canary: 50%}

# What happens over time. With a timeline the answer is the state at its end, or at --at 90s.
# timeline:
#   - {at: 60s, do: set-image, rollout: east/shop/catalog, container: catalog, image: "example.com/catalog:2.0"}
#   - {when: paused, do: promote, rollout: east/shop/catalog}
"""
