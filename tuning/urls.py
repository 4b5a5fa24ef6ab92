from django.urls import path

from tuning import views

urlpatterns = [
    path("", views.overview, name="overview"),
    path("sweeps/", views.sweep_list, name="sweeps"),
    path("sweeps/new/", views.sweep_new, name="sweep_new"),
    path("sweeps/new/size/", views.sweep_size, name="sweep_size"),
    path("sweeps/<int:pk>/", views.sweep_detail, name="sweep"),
    path("sweeps/<int:pk>/progress/", views.sweep_progress, name="sweep_progress"),
    path("sweeps/<int:pk>/panel/<slug:name>/", views.sweep_panel, name="sweep_panel"),
    path("sweeps/<int:pk>/what-if/", views.sweep_what_if, name="sweep_what_if"),
    path("sweeps/<int:pk>/trials.csv", views.sweep_csv, name="sweep_csv"),
    path("sweeps/<int:pk>/extend/", views.sweep_extend, name="sweep_extend"),
    path("sweeps/<int:pk>/fork/", views.sweep_fork, name="sweep_fork"),
    path("sweeps/<int:pk>/winner/", views.winner.winner, name="sweep_winner"),
    path("sweeps/<int:pk>/verify/", views.winner.verify, name="sweep_verify"),
    path("sweeps/<int:pk>/verify/cancel/", views.winner.verify_cancel, name="verify_cancel"),
    path("sweeps/<int:pk>/apply/", views.winner.apply, name="sweep_apply"),
    path("sweeps/<int:pk>/roll-back/", views.winner.roll_back, name="sweep_roll_back"),
    path("sweeps/<int:pk>/bundle.zip", views.winner.bundle, name="sweep_bundle"),
    path("sweeps/<int:pk>/evidence.zip", views.evidence.sweep_evidence, name="sweep_evidence"),
    path("evidence/import/", views.evidence.evidence_import, name="evidence_import"),
    path("evidence/<int:pk>/", views.evidence.pack_detail, name="pack"),
    path("evidence/<int:pk>/remove/", views.evidence.pack_remove, name="pack_remove"),
    path("sweeps/<int:pk>/<str:deed>/", views.sweep_deed, name="sweep_deed"),
]
